/**
 * An action: where a tenant's alerts are told. Rules name actions by id (`notify.actions`). A webhook's secret is shown
 * once, when it is made, and kept sealed.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { TenantId } from '../identity/ids.ts';
import { deriveKeys } from '../identity/master-key.ts';
import { jsonTemplateFault, templateFault } from './channel-template.ts';
import type { Stored, Store } from '../store/store.ts';

/** Actions of one tenant. */
export const ACTIONS_PER_TENANT_MAX = 100;
/** Addresses of one e-mail action. */
const RECIPIENTS_MAX = 20;
/** Hours for which the secret before goes on signing. */
const GRACE_HOURS = 24;

const name = z
  .string('must be a string')
  .trim()
  .min(1, 'must not be empty')
  .max(128, 'must be at most 128 characters')
  .regex(/^[^\p{Cc}]*$/u, 'must not hold control characters');

/** Characters of a template of text, and of a subject. */
const TEMPLATE_CHARS_MAX = 8192;
const SUBJECT_CHARS_MAX = 200;

const template = (charsMax: number) =>
  z
    .string('must be a string')
    .min(1, 'must not be empty')
    .max(charsMax, `must be at most ${charsMax} characters`)
    .superRefine((text, context) => {
      const fault = templateFault(text);
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault, input: text });
    });

const jsonTemplate = z.record(z.string(), z.unknown(), 'must be a JSON object').superRefine((object, context) => {
  const fault = jsonTemplateFault(object);
  if (fault !== undefined) context.addIssue({ code: 'custom', message: fault, input: object });
});

const COMMAND_RULE = 'must be the name of a command: letters, digits or _ . -, at most 64, beginning with a letter';

/** Input of POST /v1/actions. */
export const actionContent = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('webhook'),
      name,
      url: z.string('must be a URL').max(2048),
      /** What is sent instead of the usual body. */
      body: jsonTemplate.optional(),
      enabled: z.boolean().default(true),
    }),
    z.strictObject({
      kind: z.literal('email'),
      name,
      to: z
        .array(z.email('must be an e-mail address'), 'must be an array of e-mail addresses')
        .min(1, 'must name at least one address')
        .max(RECIPIENTS_MAX, `must name at most ${RECIPIENTS_MAX} addresses`),
      subject: template(SUBJECT_CHARS_MAX)
        .refine((text) => !/\p{Cc}/u.test(text), 'must be one line')
        .optional(),
      text: template(TEMPLATE_CHARS_MAX).optional(),
      html: template(TEMPLATE_CHARS_MAX).optional(),
      enabled: z.boolean().default(true),
    }),
    z.strictObject({
      kind: z.literal('command'),
      name,
      /** One of those that the settings allow. */
      command: z.string(COMMAND_RULE).regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, COMMAND_RULE),
      payload: jsonTemplate.default({}),
      enabled: z.boolean().default(true),
    }),
  ],
  'must be webhook, email or command',
);
export type ActionContent = z.output<typeof actionContent>;

/** The document: container `actions`, key tenant. */
export interface ActionDocument {
  id: string;
  tenantId: TenantId;
  kind: 'action';
  content: ActionContent;
  /** Sealed webhook secrets, the current one first. */
  secrets: { sealed: string; until?: string }[];
  /** Why nothing is sent any more, besides `enabled`. */
  disabledBecause?: 'gone' | 'failing';
  disabledAt?: string;
  /** Since when every attempt has failed. */
  failingSince?: string;
  createdAt: string;
  updatedAt: string;
}

/** Access to the actions of a tenant. */
export interface ActionsRepository {
  find(tenantId: string, id: string): Promise<Stored<ActionDocument> | undefined>;
  list(tenantId: string): Promise<Stored<ActionDocument>[]>;
  create(document: ActionDocument): Promise<Stored<ActionDocument> | undefined>;
  replace(document: ActionDocument, etag: string): Promise<Stored<ActionDocument> | undefined>;
  remove(document: Stored<ActionDocument>): Promise<boolean>;
}

/** Makes the repository over the store. */
export function createActionsRepository(store: Store): ActionsRepository {
  return {
    find: async (tenantId, id) => {
      const found = await store.read<ActionDocument>('actions', id, tenantId);
      return found?.kind === 'action' ? found : undefined;
    },
    list: (tenantId) =>
      store.all<ActionDocument>(
        'actions',
        { query: "SELECT * FROM c WHERE c.kind = 'action' ORDER BY c.id" },
        tenantId,
      ),
    create: (document) => store.create('actions', document),
    replace: (document, etag) => store.replace('actions', document, etag),
    remove: ({ id, tenantId, _etag }) => store.delete('actions', id, tenantId, _etag),
  };
}

/** Makes, seals and opens the secrets of webhooks. */
export interface WebhookSecrets {
  /** A new secret as it is shown (`whsec_` and base64), and as it is kept. */
  make(): { secret: string; sealed: string };
  /** The keys that sign at a moment, the current one first. */
  keys(action: Pick<ActionDocument, 'secrets'>, nowMs: number): Buffer[];
}

/** Bytes of a secret; Standard Webhooks asks for 24 to 64. */
const SECRET_BYTES = 32;

/** Secrets under keys of the master keys: AES-256-GCM. */
export function createWebhookSecrets(masterKeys: readonly Buffer[]): WebhookSecrets {
  const derived = deriveKeys(masterKeys, 'webhook-secret');
  return {
    make() {
      const key = randomBytes(SECRET_BYTES);
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', derived[0].key, nonce);
      const box = Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
      return { secret: `whsec_${key.toString('base64')}`, sealed: `${derived[0].keyId}.${box.toString('base64url')}` };
    },
    keys: ({ secrets }, nowMs) =>
      secrets
        .filter(({ until }) => until === undefined || Date.parse(until) > nowMs)
        .map(({ sealed }) => {
          const [keyId = '', text = ''] = sealed.split('.');
          const key = derived.find((each) => each.keyId === keyId)?.key;
          if (!key) throw new Error('The master key that sealed this secret is gone.');
          const box = Buffer.from(text, 'base64url');
          const decipher = createDecipheriv('aes-256-gcm', key, box.subarray(0, 12));
          decipher.setAuthTag(box.subarray(-16));
          return Buffer.concat([decipher.update(box.subarray(12, -16)), decipher.final()]);
        }),
  };
}

/** The secrets after a rotation: the new one signs first, the one before for some hours beside it. */
export function rotatedSecrets(
  secrets: ActionDocument['secrets'],
  sealed: string,
  nowMs: number,
): ActionDocument['secrets'] {
  const until = new Date(nowMs + GRACE_HOURS * 3_600_000).toISOString();
  const [before] = secrets;
  return before ? [{ sealed }, { sealed: before.sealed, until }] : [{ sealed }];
}
