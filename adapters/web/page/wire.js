// What goes to the server and comes from it: requests, and the stream of events, which comes back by itself.

export class Refused extends Error {}

export async function post(path, told) {
  return answered(await fetched(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(told),
  }));
}

export async function get(path) {
  return answered(await fetched(path, {}));
}

export async function piece(path, bytes) {
  return answered(await fetched(path, {
    method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: bytes,
  }));
}

async function fetched(path, how) {
  try {
    return await fetch(path, how);
  } catch {
    throw new Refused("The server was not reached; try again in a moment.");
  }
}

async function answered(response) {
  if (response.status === 401) location.assign("/web/sign-in");
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(told.error || `The server answered with ${response.status}.`);
  return told;
}

export class Stream {
  // Tells `heard` each event's data and `changed` whether the connection is up, and if not, why it was refused.
  constructor(talk, heard, changed) {
    this.talk = talk;
    this.heard = heard;
    this.changed = changed;
    this.last = "";
    this.wait = 300;
    this.again = () => this.open();
    addEventListener("online", this.again);
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    if (this.closed) return;
    this.source?.close();
    const source = this.source = new EventSource(`/web/events/${this.talk}?last=${encodeURIComponent(this.last)}`);
    source.onopen = () => { this.wait = 300; this.changed(true); };
    source.onmessage = (event) => {
      this.last = event.lastEventId;
      this.heard(JSON.parse(event.data));
    };
    source.onerror = () => {
      this.changed(false);
      if (source.readyState === EventSource.CLOSED) this.why();
      // The browser comes back by itself only after some failures, and then asks from the first id on.
      source.close();
      clearTimeout(this.timer);
      this.timer = setTimeout(this.again, this.wait);
      this.wait = Math.min(this.wait * 1.6, 4000);
    };
  }

  // An EventSource does not tell why it was refused; a plain request for the same does.
  async why() {
    const asked = new AbortController();
    try {
      const response = await fetch(`/web/events/${this.talk}`, { signal: asked.signal });
      if (!response.ok) await answered(response);
    } catch (error) {
      if (error instanceof Refused) this.changed(false, error.message);
    } finally {
      asked.abort();
    }
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    removeEventListener("online", this.again);
    this.source.close();
  }
}
