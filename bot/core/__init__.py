"""Who is answered, and what becomes of it: takes what adapters hear, and keeps the answers that are live."""
