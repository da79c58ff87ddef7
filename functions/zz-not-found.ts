/** The last resort: functions are matched by name, so this one must sort after all others. */
import { app } from '@azure/functions';
import { EVERY_METHOD, unknownRoute } from '../shared/http/endpoint.ts';

app.http('zz-not-found', { methods: EVERY_METHOD, authLevel: 'anonymous', route: '{*path}', handler: unknownRoute });
