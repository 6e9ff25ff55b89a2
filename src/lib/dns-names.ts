/** A rule for valid texts. `allowed` describes the rule in error messages. */
export interface TextRule {
  readonly pattern: RegExp;
  readonly longest: number;
  readonly allowed: string;
}

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';

/** RFC 1123 names as Kubernetes limits them: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ */
export const dnsLabel: TextRule = {
  pattern: new RegExp(`^${LABEL}$`),
  longest: 63,
  allowed: 'a DNS label: at most 63 of a-z, 0-9 and "-"',
};

export const dnsSubdomain = (longest = 253): TextRule => ({
  pattern: new RegExp(`^${LABEL}(\\.${LABEL})*$`),
  longest,
  allowed: `a DNS subdomain: at most ${longest} of a-z, 0-9, "-" and "."`,
});
