import type { Pem } from '../lib/pem.ts';
import { nameConstraints, readContent } from './certificate-encoding.ts';
import type { ServerNames } from './certificate-set.ts';

/** Returns whether the CA has the name constraints that the daemon issues for these names. */
export const isConstrainedTo = (ca: Pem, names: ServerNames): boolean =>
  readContent(ca)?.extensions.get('nameConstraints') === nameConstraints(names);
