// Replaces a package in the bundle that the daemon does not call (see slim.ts). A call of one of its functions throws.
module.exports = new Proxy(
  {},
  {
    get: (_target, name) => () => {
      throw new Error(`${String(name)} was left out of the bundle: see tools/bundle/slim.ts`);
    },
  },
);
