import { OperatorError } from '../../lib/errors.ts';
import { printable } from '../../lib/text.ts';
import type { Terminal } from '../terminal.ts';
import type { ApplyStore } from './apply-store.ts';
import { observe } from './observations.ts';
import { appliesVerdicts, createReport } from './report.ts';
import { appliesText } from './report-text.ts';

interface Output {
  readonly kubeconfig: string | undefined;
  readonly format: 'text' | 'json';
  readonly terminal: Terminal;
  readonly write: (text: string) => void;
}

/**
 * Prints the failed and the running Jobs of a namespace, or of all namespaces.
 *
 * @returns the exit code.
 * @throws OperatorError with a `KUBE_…` code if the Jobs cannot be listed, or if the namespace does not exist.
 */
export async function applies(
  store: ApplyStore,
  namespace: string | undefined,
  { kubeconfig, format, terminal, write }: Output,
): Promise<number> {
  const read = await observe(store, namespace);
  // The API server lists no Jobs in a namespace that does not exist, and reports no error.
  if (read.applies.length === 0 && namespace !== undefined && (await store.isNamespaceAbsent(namespace))) {
    throw new OperatorError('KUBE_REJECTED', `Namespace ${namespace} does not exist (to list all namespaces: -A)`);
  }
  const report = createReport(read, new Date(), kubeconfig);
  write(format === 'json' ? `${printable(JSON.stringify(report, null, 2))}\n` : appliesText(report, terminal));
  return appliesVerdicts[report.verdict].exitCode;
}
