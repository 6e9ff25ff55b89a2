// Stands in for a package that the daemon never calls: see slim.ts.
module.exports = new Proxy(
  {},
  {
    get: (_target, name) => () => {
      throw new Error(`${String(name)} was left out of the bundle: see tools/bundle/slim.ts`);
    },
  },
);
