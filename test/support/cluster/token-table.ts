import { markdownTable } from '../../../tools/docs/markdown-table.ts';
import { ALLOWED, REFUSED } from './token-attempts.ts';

/** A line of `kubectl auth can-i --list`. */
export interface Right {
  readonly namespace: string;
  readonly resource: string;
  readonly names: string;
  readonly verbs: string;
}

const HEAD = `# What a stolen token of the daemon can do

\`test/cluster/token-rights.test.ts\` writes this page (\`WRITE_DOCS=1\`). The test has a token of the ServiceAccount with the rights of
\`manifests/install.yaml\`, and sends each call of the last two tables to a real API server. "The thief" has stolen such a token. The
[threat model](../explanation/threat-model.md#a-stolen-token) describes the three largest risks.`;

/** Returns the page docs/reference/token-rights.md. */
export function rightsTable(rights: readonly Right[]): string {
  const blocks = [
    HEAD,
    '## The rights as kubectl lists them',
    'The output of `kubectl auth can-i --list` in two namespaces. Rights that every ServiceAccount has are left out.',
    markdownTable(
      ['namespace', 'resource', 'names', 'verbs'],
      rights.map(({ namespace, resource, names, verbs }) => [namespace, `\`${resource}\``, names || 'all', verbs]),
    ),
    '## Calls that succeed',
    markdownTable(
      ['the thief can', 'consequence'],
      ALLOWED.map(({ what, note = '', since }) => [what, since ? `${note} (Kubernetes 1.${since} and later)` : note]),
    ),
    '## Calls that are refused',
    markdownTable(
      ['kind', 'the thief cannot', 'refused by'],
      Object.entries(REFUSED).flatMap(([kind, attempts]) =>
        attempts.map(({ what, note }) => [kind, what, note ?? 'RBAC (403)']),
      ),
    ),
  ];
  return `${blocks.join('\n\n')}\n`;
}
