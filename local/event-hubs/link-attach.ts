/** How links are answered: a node takes them, or refuses them in the form that every client understands. */
import type { Receiver, Sender } from 'rhea';
import { type AmqpFailure, amqpError } from './amqp-error.ts';
import { MESSAGE_BYTES_MAX } from './namespace.ts';
import { answerAttach } from './rhea-hooks.ts';

/**
 * Fills in the attach that answers the client's, apart from the terminus on our side: that one a node sets when it takes
 * the link. A link that is refused must show a null there (.NET believes it open otherwise). The settle modes are the
 * client's own: .NET asks for settled deliveries and takes what is not echoed for unsettled ones.
 */
export function prepareAttach(link: Sender | Receiver): void {
  answerAttach(link, {
    snd_settle_mode: link.snd_settle_mode,
    rcv_settle_mode: link.rcv_settle_mode,
    max_message_size: MESSAGE_BYTES_MAX,
    properties: {},
  });
  if (link.is_sender()) link.set_target(link.target ?? {});
  else link.set_source(link.source ?? {});
}

/** Ends a link with the reason; before it was taken this is a refusal. */
export const endLink = (link: Sender | Receiver, failure: AmqpFailure): void => link.close(amqpError(failure));
