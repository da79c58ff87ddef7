/** An app that does what works locally only where the host is not faithful: it imports the worker's own module. */
await import(String('@azure/functions-core'));
