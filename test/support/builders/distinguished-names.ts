import type { Subject } from '../../../src/certs/certificate-set.ts';

/** Returns an attribute value escaped as RFC 4514 requires. */
export const escapedValue = (text: string): string =>
  text.replaceAll(/["+,;<>\\]|^[ #]|(?<=^.+) $/gsu, (special) => `\\${special}`);

/** Returns the subject with a different common name. */
export const withCommonName = (subject: Subject, value: string): Subject =>
  subject.map((attribute) => (attribute.type === 'CN' ? { type: 'CN', value } : attribute));
