/** Why certificates are issued anew or mended: the same word in the log, the Secret, metrics, Events and the docs. */
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
  unsupported: 'the certificate has a signature algorithm or an extension that is never issued here',
  'negative-serial': 'the serial number is negative, which Go refuses',
  'outlives-ca': 'the serving certificate is valid for longer than its certificate authority',
  'foreign-ca': 'the CA bundle holds a certificate that is not one of ours',
  'duplicate-ca': 'the CA bundle holds a certificate twice',
  'unparsable-bundle': 'the CA bundle holds something that cannot be read',
  swapped: 'somebody has put other certificates into the Secret, which do not trust what is presented',
  'wrong-type': 'the Secret is not of the type kubernetes.io/tls',
  immutable: 'the Secret is immutable, so nothing in it could ever be renewed',
  'wrong-phase': 'the annotations tell of another phase of the rotation than what is stored',
  restart: 'the daemon was started, and --rotate-on-start asks for a new serving certificate then',
  asked: 'the annotation terraform.job.kb.io/rotate asks for it',
} as const;

export type Reason = keyof typeof reasons;
