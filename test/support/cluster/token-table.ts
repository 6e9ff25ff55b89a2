import { ALLOWED, REFUSED } from './token-attempts.ts';

/** A line of `kubectl auth can-i --list`. */
export interface Right {
  readonly namespace: string;
  readonly resource: string;
  readonly names: string;
  readonly verbs: string;
}

const HEAD = `# What a stolen token of the daemon can do

\`test/cluster/token-rights.test.ts\` writes this page (\`WRITE_DOCS=1\`). It takes a token of the ServiceAccount with the rights of
\`manifests/install.yaml\`, and tries each line on a real API server. The consequences are in the
[threat model](../explanation/threat-model.md#a-stolen-token).
`;

/** Returns the complete document about the rights. */
export function rightsTable(rights: readonly Right[]): string {
  return [
    HEAD,
    '## The rights as kubectl lists them\n',
    '`kubectl auth can-i --list`, without the rights of every ServiceAccount:\n',
    table(
      ['namespace', 'resource', 'names', 'verbs'],
      rights.map(({ namespace, resource, names, verbs }) => [namespace, `\`${resource}\``, names || 'all', verbs]),
    ),
    '## Calls that succeed\n',
    table(
      ['the thief can', 'consequence'],
      ALLOWED.map(({ what, note = '', since }) => [what, since ? `${note} (Kubernetes 1.${since} and later)` : note]),
    ),
    '## Calls that are refused\n',
    table(
      ['kind', 'the thief cannot', 'refused by'],
      Object.entries(REFUSED).flatMap(([kind, attempts]) =>
        attempts.map(({ what, note }) => [kind, what, note ?? 'RBAC (403)']),
      ),
    ).trimEnd(),
    '',
  ].join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return `${[head, head.map(() => '---'), ...rows].map(line).join('\n')}\n`;
}
