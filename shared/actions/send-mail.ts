/** Sends one delivery as an e-mail over SMTP. The subject is one line, the text is plain: nothing in it is markup. */
import type { Attempted } from '../notifications/delivery.ts';
import type { SendMail } from './deliver.ts';

/** Makes the sender. @param url such as `smtps://user:password@mail.example.com` @param from the sender's address */
export function createSmtpSender(url: string, from: string): SendMail {
  const transport = import('nodemailer').then(({ createTransport }) =>
    createTransport(url, { from, disableFileAccess: true, disableUrlAccess: true }),
  );
  return async ({ id, to, event }) => {
    try {
      await (
        await transport
      ).sendMail({
        to: [...to],
        // The same id for the same message: a mail that is sent again is known by it.
        messageId: `<${id}@sluice>`,
        subject: oneLine(`[${event.severity}] ${event.ruleName}: ${event.change}`),
        text: `${event.message}\n\nDevice: ${event.deviceId}\nSince: ${event.openedAt}\nAlert: ${event.alertId}\n`,
      });
      return { kind: 'delivered' };
    } catch (error) {
      return failed(error);
    }
  };
}

function failed(error: unknown): Attempted {
  const { responseCode, code } = Object(error) as { responseCode?: number; code?: string };
  const detail = `the mail server answered ${responseCode ?? code ?? 'nothing'}`;
  // RFC 5321 §4.2.1: 5xx is for good.
  return responseCode !== undefined && responseCode >= 500 ? { kind: 'refused', detail } : { kind: 'failed', detail };
}

function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ').slice(0, 200);
}
