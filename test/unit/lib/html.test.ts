import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { html } from '../../../src/lib/html.ts';

describe('html', () => {
  test('html escapes each inserted text, in a text and in a quoted attribute', () => {
    const text = `<b title="x" class='y'>&amp;`;
    const escaped = '&#60;b title=&#34;x&#34; class=&#39;y&#39;&#62;&#38;amp;';
    assert.equal(`${html`<p title="${text}">${text}</p>`}`, `<p title="${escaped}">${escaped}</p>`);
  });

  test('html inserts a part of a page unchanged, joins lists, and leaves out undefined and false', () => {
    const rows = ['<', 2].map((value) => html`<li>${value}</li>`);
    assert.equal(`${html`<ul>${rows}</ul>${undefined}${false}`}`, '<ul><li>&#60;</li><li>2</li></ul>');
  });

  test('html shows control characters and invisible characters of an inserted text as JSON escapes', () => {
    assert.equal(`${html`<p>${'a\u202eb\u0007'}\n${'c\nd'}</p>`}`, '<p>a\\u202eb\\u0007\nc\nd</p>');
  });

  test('html lets no text end an attribute or begin a tag', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(`${html`${text}`}`, /[<>"']/);
      }),
    );
  });
});
