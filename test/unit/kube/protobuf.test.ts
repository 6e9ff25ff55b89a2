import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readFields } from '../../../src/kube/protobuf.ts';

function fieldsOf(...bytes: number[]): [number, string][] {
  const fields: [number, string][] = [];
  readFields(Buffer.from(bytes), (field, value) => fields.push([field, value.toString()]));
  return fields;
}

describe('the fields of a protobuf message', () => {
  test('readFields reports each text with the number of its field, and skips numbers', () => {
    const varint = [0x08, 0xac, 0x02];
    const fixed64 = [0x11, 1, 2, 3, 4, 5, 6, 7, 8];
    const fixed32 = [0x1d, 1, 2, 3, 4];
    const text = [0x22, 2, 0x68, 0x69];
    assert.deepEqual(fieldsOf(...varint, ...fixed64, ...fixed32, ...text, ...text), [
      [4, 'hi'],
      [4, 'hi'],
    ]);
  });

  test('readFields reads a field number and a length of more than one byte', () => {
    const length = 300;
    const text = Array.from({ length }, () => 0x61);
    assert.deepEqual(fieldsOf(0x82, 0x01, 0xac, 0x02, ...text), [[16, 'a'.repeat(length)]]);
  });

  for (const [what, bytes] of [
    ['ends within a number', [0x08, 0x80]],
    ['ends within a text', [0x0a, 3, 0x61]],
    ['ends within a fixed number', [0x0d, 1]],
    ['has the removed wire type for groups', [0x0b]],
  ] as const) {
    test(`readFields throws a RangeError if the message ${what}`, () => {
      assert.throws(() => fieldsOf(...bytes), RangeError);
    });
  }

  test('readFields returns or throws a RangeError for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          readFields(Buffer.from(bytes), () => {});
        } catch (error) {
          assert.ok(error instanceof RangeError);
        }
      }),
    );
  });
});
