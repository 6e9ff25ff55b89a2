import type { Parsed } from '../../cli/option-parsers.ts';
import { dnsLabel, dnsSubdomain } from '../../lib/dns-names.ts';

/** The name of a Configuration. */
export interface Target {
  readonly namespace: string;
  readonly name: string;
}

/** Parses `<namespace>/<configuration>`. */
export function target(text: string): Parsed<Target> {
  const [namespace = '', name = '', ...others] = text.split('/');
  const isValid = dnsLabel.pattern.test(namespace) && dnsSubdomain().pattern.test(name) && others.length === 0;
  return isValid
    ? { value: { namespace, name } }
    : { allowed: '<namespace>/<configuration>, such as team-a/oss-bucket' };
}
