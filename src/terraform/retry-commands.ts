import { shellWord } from '../lib/text.ts';
import { CONFIGURATIONS, RETRIED_AT } from './configuration.ts';

interface ObjectName {
  readonly namespace: string;
  readonly name: string;
}

/** Returns the command that runs the failed Job of a Configuration again. */
export const retryCommand = ({ namespace, name }: ObjectName): string =>
  `terraform-daemon applies retry ${shellWord(`${namespace}/${name}`)}`;

/**
 * Returns the command that makes terraform-controller read a Configuration.
 *
 * @param value a word of a shell that differs at each retry.
 */
export const touchCommand = ({ namespace, name }: ObjectName, value: string): string =>
  `kubectl -n ${shellWord(namespace)} annotate --overwrite ${CONFIGURATIONS} ${shellWord(name)} ${RETRIED_AT}=${value}`;
