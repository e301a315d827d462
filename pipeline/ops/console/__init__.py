"""The console: a web page for operators, over mutual TLS (docs/console.md)."""
