"""A party's private keys in a process of their own: it signs, agrees and locks for workers, and hands no key out."""
