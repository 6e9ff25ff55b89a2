import assert from 'node:assert/strict';
import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import fc from 'fast-check';
import type { StoredSecret } from '../../src/certs/secret.ts';
import { readConfig } from '../../src/cli/config.ts';
import { inspect } from '../../src/commands/inspect/inspect.ts';
import { aCertificateSet, ISSUED_AT } from '../support/builders/a-certificate-set.ts';
import { plain } from '../support/builders/a-terminal.ts';
import { noApplies } from '../support/builders/no-applies.ts';
import { anyRegistration, anySecret } from './cluster-targets.ts';
import type { Target } from './target.ts';

interface InspectInput {
  readonly secret: StoredSecret;
  readonly registration: V1MutatingWebhookConfiguration;
  readonly output: 'text' | 'json' | 'html';
}

/**
 * Checks that `inspect` reports on any content of Secret and registration, and prints no private key and no terminal
 * control characters.
 */
export async function inspectTarget(): Promise<Target<InspectInput>> {
  const set = await aCertificateSet();
  const other = await aCertificateSet({ nth: 2 });
  const keyLines = [set.ca, set.serving, other.ca, other.serving].flatMap(({ privateKey }) =>
    privateKey.split('\n').slice(1, 4),
  );
  // `inspect` must call only this address. No endpoint listens on it, so no input can make the test call another host.
  const address = { host: '127.0.0.1', port: 1 };
  return {
    inputs: fc.record({
      secret: await anySecret(),
      registration: await anyRegistration(),
      output: fc.constantFrom('text', 'json', 'html'),
    }),
    async check({ secret, registration, output }) {
      let printed = '';
      await inspect({ output, address }, readConfig({}), {
        secrets: { read: async () => secret },
        registrations: { read: async () => registration },
        readFailure: async () => undefined,
        readNamespacePhase: async () => undefined,
        readApplies: async () => noApplies,
        isInPod: false,
        raw: {},
        terminal: plain,
        write: (text) => {
          printed += text;
        },
        now: () => new Date(ISSUED_AT.getTime() + 86_400_000),
      });
      for (const line of keyLines) assert.ok(!printed.includes(line), 'a key is printed');
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
      assert.doesNotMatch(printed, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/, 'a control character is printed');
      if (output === 'html')
        assert.doesNotMatch(
          printed,
          /<(?!\/?(html|head|meta|title|style|body|main|section|header|footer|div|p|b|h[123]|ul|ol|li|dl|dt|dd|table|tbody|tr|th|td|time|code|span|svg|g|path|circle|rect|line|text)\b|!doctype)/,
          'a tag of the input is printed',
        );
    },
  };
}
