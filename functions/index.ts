/** The function app: everything that Azure, or the local host, registers and runs. */
import './setup.ts';
import './actions.ts';
import './alerts.ts';
import './deliver-notifications.ts';
import './devices.ts';
import './external-applications.ts';
import './health.ts';
import './ingest-telemetry.ts';
import './oauth.ts';
import './openapi.ts';
import './project-device-data.ts';
import './pull-telemetry.ts';
import './rules.ts';
import './stream-telemetry.ts';
import './sweep-rules.ts';
import './users.ts';
import './zz-not-found.ts';
