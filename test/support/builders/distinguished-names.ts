import type { Subject } from '../../../src/certs/certificate-set.ts';

/** A value as RFC 4514 writes it. */
export const escapedValue = (text: string): string =>
  text.replaceAll(/["+,;<>\\]|^[ #]|(?<=^.+) $/gsu, (special) => `\\${special}`);

/** The subject with another common name. */
export const withCommonName = (subject: Subject, value: string): Subject =>
  subject.map((attribute) => (attribute.type === 'CN' ? { type: 'CN', value } : attribute));
