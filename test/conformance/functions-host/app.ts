/** The function app that the suite calls: deployed to Azure, or run by `serve.ts`. */
import { app } from '@azure/functions';

app.http('hello', { route: 'hello/{name}', handler: (request) => ({ body: `hello ${request.params['name']}` }) });
