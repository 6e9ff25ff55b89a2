import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { columnsOf, progressOutput, row, table, terminalOf, wrapped } from '../../../src/commands/terminal.ts';
import { marked, plain } from '../../support/builders/a-terminal.ts';

const NONE = { first: '', rest: '' };

describe('the width of a text on a terminal', () => {
  for (const [what, text, columns] of [
    ['two for a Chinese character', '阿里云 (Aliyun)', 15],
    ['two for a full-width comma', 'a，b', 4],
    ['none for a combining mark', 'e\u0301', 1],
    ['two for an emoji', '🚀', 2],
    ['two for the emoji of a flag', '🇩🇪', 2],
    ['one for a check mark', '✓ ok', 4],
    ['none for a colour', '\u001b[32mgood\u001b[39m', 4],
  ] as const) {
    test(`columnsOf counts ${what}`, () => assert.equal(columnsOf(text), columns));
  }
});

describe('text for a terminal', () => {
  test('wrapped breaks at spaces and keeps long words whole', () => {
    const long = 'x'.repeat(250);
    assert.deepEqual(wrapped(`a ${long} b c`, { first: '  name ', rest: '       ' }, plain), [
      '  name a',
      `       ${long}`,
      '       b c',
    ]);
    assert.deepEqual(
      wrapped('ab '.repeat(40), NONE, plain).map((line) => line.length),
      [98, 20],
    );
  });

  test('wrapped breaks Chinese text between characters, and not before its punctuation', () => {
    const lines = wrapped('北京数据有限公司，北京。', NONE, { ...plain, width: 16 });
    assert.deepEqual(lines, ['北京数据有限公', '司，北京。']);
    assert.deepEqual(wrapped('O=（中文）', NONE, { ...plain, width: 5 }), ['O=（中', '文）']);
  });

  test('wrapped adds the style to each line and not to the margins', () => {
    const cell = { text: 'one two', style: 'bad' } as const;
    const lines = wrapped(cell, { first: '- ', rest: '  ' }, { ...marked, width: 5 });
    assert.deepEqual(lines, ['- <bad>one</>', '  <bad>two</>']);
  });

  test('a text has no control characters of inspected objects, in a row and in a table', () => {
    const hostile = 'a\u001b[31mb\u0007\n\u202ec';
    const shown = 'a\\u001b[31mb\\u0007 \\u202ec';
    assert.deepEqual(row('name', hostile, plain), [`  name         ${shown}`]);
    assert.deepEqual(table(['NAME'], [[hostile]], plain), ['NAME', shown]);
    assert.deepEqual(row('name', { text: hostile, style: 'good' }, marked), [`  name         <good>${shown}</>`]);
  });

  test('the columns of a table start below each other also after Chinese names and styled cells', () => {
    const lines = table(
      ['NAME', 'STATE', 'AGE'],
      [
        ['网络', { text: 'failed', style: 'bad' }, '1h'],
        ['database', 'running', ''],
      ],
      marked,
    );
    assert.deepEqual(lines, [
      '<title>NAME</>       <title>STATE</>     <title>AGE</>',
      '网络       <bad>failed</>    1h',
      'database   running',
    ]);
  });

  test('a text is as wide as the terminal, at least 60 and at most 100 columns, and 100 if the width is unknown', () => {
    for (const [columns, width] of [
      [undefined, 100],
      [0, 100],
      [80, 80],
      [200, 100],
      [20, 60],
    ] as const) {
      const stream = Object.assign(new PassThrough(), columns === undefined ? {} : { columns });
      assert.equal(terminalOf(stream).width, width, `${columns}`);
    }
  });
});

test('progressOutput writes only the lines that stay to a pipe, and rewrites one line on a terminal', () => {
  for (const [isTTY, expected] of [
    [false, 'settling\ndone\n'],
    [true, 'settling\n\r\r0:02 left\r           \r0:01 left\r           \rdone\n'],
  ] as const) {
    const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY, columns: 80 });
    const { say, show } = progressOutput(stream);
    show(undefined);
    say('settling');
    show('0:02 left');
    show('0:01 left');
    say('done');
    assert.equal(stream.read(), expected);
  }
});
