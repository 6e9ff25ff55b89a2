/** Why certificates are issued anew: the same word in the log, in the Secret's annotations, in metrics and in the docs. */
export const reasons = {
  absent: 'there is no Secret yet, or it is empty',
  'ca-lost': 'the certificate authority or its key is missing',
  unparsable: 'a certificate or a key cannot be read',
  'key-mismatch': 'the private key does not belong to the certificate',
  'wrong-chain': 'the serving certificate is not signed by the certificate authority',
  'wrong-usage': 'the certificate may not be used for what it is there for',
  'missing-name': 'the certificate is for other names than those served',
  'not-yet-valid': 'the certificate begins to be valid in the future',
  expired: 'the certificate is no longer valid',
  due: 'two thirds of the lifetime have passed',
  'weak-key': 'the key is smaller than asked for',
  'negative-serial': 'the serial number is negative, which Go refuses',
  'outlives-ca': 'the serving certificate is valid for longer than its certificate authority',
  restart: 'the daemon was started, and --rotate-on-start asks for a new serving certificate then',
} as const;

export type Reason = keyof typeof reasons;

export const isReason = (word: string | undefined): word is Reason => word !== undefined && word in reasons;
