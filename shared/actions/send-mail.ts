/** Sends mail over SMTP. */
import type { Attempted } from '../notifications/delivery.ts';
import type { SendMail } from './outbox.ts';

/** Makes the sender. @param url such as `smtps://user:password@mail.example.com` @param from the sender's address */
export function createSmtpSender(url: string, from: string): SendMail {
  const transport = import('nodemailer').then(({ createTransport }) =>
    createTransport(url, { from, disableFileAccess: true, disableUrlAccess: true }),
  );
  return async ({ id, to, subject, text, html }) => {
    try {
      await (
        await transport
      ).sendMail({
        to: [...to],
        // The same id for the same message: a mail that is sent again is known by it.
        messageId: `<${id}@sluice>`,
        subject,
        text,
        ...(html === undefined ? {} : { html }),
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
