/** The gate of the product without ingest, for hosts that a test starts as processes of their own. */
import '../../functions/setup.ts';
import '../../functions/devices.ts';
import '../../functions/external-applications.ts';
import '../../functions/oauth.ts';
import '../../functions/stream-telemetry.ts';
