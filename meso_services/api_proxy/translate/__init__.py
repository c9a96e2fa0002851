"""From one API's words to the other's: requests, answers, streams, errors, usage."""
