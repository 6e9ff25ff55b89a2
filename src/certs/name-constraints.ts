import type { Pem } from '../lib/pem.ts';
import type { ServerNames } from './certificate-set.ts';
import { nameConstraints, readContent } from './forge.ts';

/** Returns whether the CA has the name constraints that the daemon issues for these names. */
export const isConstrainedTo = (ca: Pem, names: ServerNames): boolean =>
  readContent(ca)?.extensions.get('nameConstraints') === nameConstraints(names);
