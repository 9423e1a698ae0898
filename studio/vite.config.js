// Plain names without hashes, so that a rebuild changes the files it must and no others.
export default {
  base: "/",
  build: {
    outDir: "../nervure/studio/static",
    emptyOutDir: true,
    assetsDir: "",
    modulePreload: { polyfill: false },
    rollupOptions: {
      output: {
        entryFileNames: "studio.js",
        chunkFileNames: "[name].js",
        assetFileNames: "studio.[ext]",
      },
    },
  },
};
