"""What both ways share: the client, its errors in the seam's words, work that may lag behind."""
