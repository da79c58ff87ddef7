/**
 * Whether a text is a JWT in the one spelling that its signer could have written (RFC 7515 §2, §7.1). Decoders forgive:
 * padding, and the last bits of a part, which no byte needs. One token would then have many texts, and a token whose last
 * character was changed would pass.
 */
export function isCompactJwt(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 3 && parts.every((part) => Buffer.from(part, 'base64url').toString('base64url') === part);
}
