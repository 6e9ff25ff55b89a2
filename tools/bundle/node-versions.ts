/**
 * The Node.js versions that run the bundle. 22.15 is the first with `tls.getCACertificates`, which Node.js 23 has only in
 * its last releases. The image and the checkout have Node.js 24.
 */
export const LOWEST_NODE = { major: 22, minor: 15 } as const;

export const NODE_RANGE = `>=${LOWEST_NODE.major}.${LOWEST_NODE.minor}.0 <23 || >=24`;
