/** Called with the number and the value of a field: a text, or a message. */
export type OnField = (field: number, value: Buffer) => void;

/** The wire types of protobuf: https://protobuf.dev/programming-guides/encoding/#structure */
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 };

interface Cursor {
  readonly message: Buffer;
  at: number;
}

/**
 * Calls `onField` for each text and each message in a protobuf message, and skips numbers. It needs no schema, because
 * the number of a field never changes.
 *
 * @throws RangeError if the bytes are no protobuf message.
 */
export function readFields(message: Buffer, onField: OnField): void {
  const cursor = { message, at: 0 };
  while (cursor.at < message.length) {
    const tag = readVarint(cursor);
    const wireType = tag % 8;
    const length = readLength(cursor, wireType);
    const start = cursor.at;
    cursor.at += length;
    if (cursor.at > message.length) throw new RangeError('the protobuf message is cut off');
    if (wireType === WIRE.bytes) onField((tag - wireType) / 8, message.subarray(start, cursor.at));
  }
}

/** Returns the number of bytes of the value that follows. */
function readLength(cursor: Cursor, wireType: number): number {
  if (wireType === WIRE.bytes) return readVarint(cursor);
  if (wireType === WIRE.fixed64) return 8;
  if (wireType === WIRE.fixed32) return 4;
  if (wireType !== WIRE.varint) throw new RangeError(`the protobuf message has the unknown wire type ${wireType}`);
  readVarint(cursor);
  return 0;
}

function readVarint(cursor: Cursor): number {
  let value = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = cursor.message[cursor.at++];
    if (byte === undefined) throw new RangeError('the protobuf message is cut off');
    value += (byte & 127) * factor;
    if (byte < 128) return value;
  }
}
