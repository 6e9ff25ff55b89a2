import { ALLOWED, REFUSED } from './token-attempts.ts';

/** A line of `kubectl auth can-i --list`. */
export interface Right {
  readonly namespace: string;
  readonly resource: string;
  readonly names: string;
  readonly verbs: string;
}

const HEAD = `# What a stolen token may do

Written by \`test/cluster/token-rights.test.ts\` (\`WRITE_DOCS=1\`), which takes a token of the ServiceAccount, with the rights of
\`manifests/install.yaml\` and no others, and tries each line on a real API server. What follows from it is in the
[threat model](threat-model.md#a-stolen-token).
`;

/** Returns the complete document about the rights. */
export function rightsTable(rights: readonly Right[]): string {
  return [
    HEAD,
    '## As Kubernetes lists it\n',
    '`kubectl auth can-i --list`, without what every ServiceAccount may do:\n',
    table(
      ['namespace', 'resource', 'names', 'verbs'],
      rights.map(({ namespace, resource, names, verbs }) => [namespace, `\`${resource}\``, names || 'all', verbs]),
    ),
    '## Tried and done\n',
    table(
      ['it can', 'what that comes to'],
      ALLOWED.map(({ what, note = '', since }) => [what, since ? `${note} (Kubernetes 1.${since} and later)` : note]),
    ),
    '## Tried and refused\n',
    table(
      ['', 'it cannot', 'refused by'],
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
