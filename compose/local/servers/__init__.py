"""The four servers, each as what it takes to run it: files written, command, probe."""
