/** Why a certificate is issued or the Secret is repaired. Log, Secret, metrics and docs use the same word. */
export const reasons = {
  absent: 'the Secret does not exist or is empty',
  'ca-lost': 'the CA or its key is missing, or the CA bundle lacks a CA of the Secret',
  unparsable: 'a certificate or a key cannot be parsed',
  'key-mismatch': 'the private key does not belong to the certificate',
  'wrong-chain': 'the serving certificate is not signed by the certificate authority',
  'wrong-usage': 'the certificate lacks a property that a CA or a serving certificate needs, such as a key usage',
  'missing-name': 'the certificate is not for the required names',
  'not-yet-valid': 'the certificate is not valid yet',
  expired: 'the certificate is no longer valid',
  due: 'two thirds of the lifetime have passed',
  'weak-key': 'the key is not an RSA key of at least --key-size bits',
  unsupported: 'the certificate has a signature algorithm or an extension that the daemon does not issue',
  'negative-serial': 'the serial number is negative, which Go refuses',
  'outlives-ca': 'the serving certificate is valid for longer than its certificate authority',
  'foreign-ca': 'the CA bundle has a certificate that is not a valid CA for the server names',
  'duplicate-ca': 'the CA bundle has the same certificate twice',
  'unparsable-bundle': 'the CA bundle has a block that cannot be parsed',
  swapped:
    'another writer has replaced the certificates in the Secret, and the new CA bundle does not verify the presented certificate',
  'wrong-phase': 'the phase annotation of the Secret contradicts its certificates',
  restart: 'the daemon has started, and --rotate-on-start is true',
  asked: 'a user requested it with the annotation terraform.job.kb.io/rotate',
} as const;

export type Reason = keyof typeof reasons;
