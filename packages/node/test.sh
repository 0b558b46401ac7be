cp "$ROOT/packages/node/test.js" .
node --expose-gc test.js
