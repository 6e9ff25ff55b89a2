/*
 * The annotations of the Secret by which users control the daemon.
 */

/** The prefix of all annotations and labels of the daemon. */
export const PREFIX = 'terraform.job.kb.io';

export const ROTATE = `${PREFIX}/rotate`;
export const PAUSED = `${PREFIX}/paused`;

/** The certificate that the annotation `terraform.job.kb.io/rotate` asks to replace. */
export type Asked = 'serving' | 'ca';

type Annotated = { readonly annotations: Readonly<Record<string, string>> };

/** Any value other than empty or "false" pauses writes: in doubt, stop. */
export const isPaused = ({ annotations }: Annotated): boolean =>
  !['', 'false'].includes((annotations[PAUSED] ?? '').trim().toLowerCase());

export function askedFor({ annotations }: Annotated): Asked | undefined {
  const word = annotations[ROTATE]?.trim().toLowerCase();
  return word === 'serving' || word === 'ca' ? word : undefined;
}

/** The value of the annotation `rotate` if it is none of the known ones. */
export const misunderstood = (stored: Annotated): string | undefined =>
  askedFor(stored) === undefined ? stored.annotations[ROTATE] : undefined;
