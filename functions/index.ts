/** The function app: everything that Azure, or the local host, registers and runs. */
import './setup.ts';
import './zz-not-found.ts';
