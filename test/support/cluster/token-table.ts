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

const SMALLER = `The last column names what refuses the call in a smaller install, as \`test/cluster/limited-token.test.ts\` tries it: the
component [\`limit-patches\`](../how-to/fit-a-cluster.md#limit-what-the-daemon-can-change-in-a-job), or
[\`--backstop-namespaces\`](../how-to/fit-a-cluster.md#limit-the-backstop-to-namespaces) for the Jobs, Pods and Events of namespaces that are not
listed.`;

const PARTS = { 'limit-patches': '`limit-patches`', namespaces: '`--backstop-namespaces`' } as const;

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
    SMALLER,
    markdownTable(
      ['the thief can', 'consequence', 'refused with'],
      ALLOWED.map(({ what, note = '', since, refusedWith = [] }) => [
        what,
        since ? `${note} (Kubernetes 1.${since} and later)` : note,
        refusedWith.map((part) => PARTS[part]).join(', ') || 'nothing',
      ]),
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
