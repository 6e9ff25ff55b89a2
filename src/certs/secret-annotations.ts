/** The prefix of the Secret's annotations. */
export const PREFIX = 'terraform.job.kb.io';

export const PHASE = `${PREFIX}/phase`;
export const PHASE_SINCE = `${PREFIX}/phase-since`;
export const ROTATE = `${PREFIX}/rotate`;
export const PAUSED = `${PREFIX}/paused`;

/** The certificate that the annotation `terraform.job.kb.io/rotate` asks to replace. */
export type Asked = 'serving' | 'ca';

type Annotated = { readonly annotations: Readonly<Record<string, string>> };

/**
 * Whether the annotation `paused` forbids writes. Every value except empty and "false" does: in doubt, the daemon must
 * not write.
 */
export const isPaused = ({ annotations }: Annotated): boolean =>
  !['', 'false'].includes((annotations[PAUSED] ?? '').trim().toLowerCase());

/** Returns the certificate that the annotation `rotate` asks to replace; `undefined` if absent or invalid. */
export function askedFor({ annotations }: Annotated): Asked | undefined {
  const word = annotations[ROTATE]?.trim().toLowerCase();
  return word === 'serving' || word === 'ca' ? word : undefined;
}

/** Returns the value of the annotation `rotate` if it is neither `serving` nor `ca`. */
export const misunderstood = (stored: Annotated): string | undefined =>
  askedFor(stored) === undefined ? stored.annotations[ROTATE] : undefined;
