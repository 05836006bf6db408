"""What people read below an answer, by what became of it.  Pure."""

from __future__ import annotations

#: What people read under an answer that ended for an API stop reason; "" says nothing.
NOTES = {
    "end_turn": "",
    "stop_sequence": "",
    "max_tokens": "Cut at the length limit. Say “continue” for more.",
    "refusal": "Claude declined to answer this.",
    "model_context_window_exceeded": "Cut here: the conversation is too long for the model.",
    "pause_turn": "Claude paused here. Say “continue” for more.",
    "tool_use": "Claude wanted to use a tool that this bot does not have.",
}

#: The stop reasons after which there is more to say.
MORE = frozenset({"max_tokens", "pause_turn"})

#: What people read where nothing was left for an answer.
THOUGHT = "Claude used all the room of this answer for thinking. Try again gives it more."

#: What people read instead of an answer without text.
EMPTY = "Claude gave no answer text."

#: What people read where an answer would have to begin anew, but its first pages can't change any more.
TORN = "Cut short here: the connection to Claude broke off."

#: What people read under an answer while another one is made in its place.
AGAIN = "trying again …"

#: What people read under the last page of an answer that is longer than its pages.
GOES_ON = "This goes on; all of it comes as a file when it is done."
ATTACHED = "The whole answer is in the file."
FILE = "answer.md"

#: What people read where files that the model has made are too large, or none can be attached.
UNATTACHED = "Not all files that were made can be attached here."

#: What people read below a page whose files can't be attached, after why.
FOLLOWS = "What was in it follows as text."
