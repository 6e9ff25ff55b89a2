import type { Pem } from '../lib/pem.ts';
import type { ServerNames } from './certificate-set.ts';
import { nameConstraints, readContent } from './forge.ts';

/** Whether the CA may sign for the names wanted and for no other name: only a CA that was issued for them may. */
export const isConstrainedTo = (ca: Pem, names: ServerNames): boolean =>
  readContent(ca)?.extensions.get('nameConstraints') === nameConstraints(names);
