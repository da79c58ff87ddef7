/** The service's `_rid`: the numbers of database, container and item, as base64 with '-' for '/'. */

function encode(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('/', '-');
}

/** 4 bytes. */
export function databaseRid(database: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(database);
  return encode(bytes);
}

/** 8 bytes; the first bit of the second half tells a container from a user. */
export function containerRid(database: number, container: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(database);
  bytes.writeUInt32BE((container | 0x80000000) >>> 0, 4);
  return encode(bytes);
}

/** 16 bytes: the container's eight and the item's number. */
export function itemRid(database: number, container: number, item: number): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(database);
  bytes.writeUInt32BE((container | 0x80000000) >>> 0, 4);
  bytes.writeBigUInt64BE(BigInt(item), 8);
  return encode(bytes);
}
