import react from "@vitejs/plugin-react"
import { defineConfig } from "vite"
import { fontsOfExcalidraw, licences, sourceDigest } from "./build/emit.ts"
import { converterInFrame, ownFontsOnly } from "./build/plugins.ts"

// The same bytes on every machine: no dates, no absolute paths, and no source maps, which hold them.
export default defineConfig({
  plugins: [ownFontsOnly, converterInFrame, react(), fontsOfExcalidraw, licences, sourceDigest],
  base: "/",
  define: { "process.env.IS_PREACT": JSON.stringify("false") },
  build: {
    outDir: process.env.OUT ?? "dist",
    emptyOutDir: true,
    target: "es2022",
    sourcemap: false,
    assetsInlineLimit: 0, // no data: addresses, so that the policy needs none for fonts and styles
    modulePreload: { polyfill: false },
    manifest: "manifest.json",
    chunkSizeWarningLimit: 5000,
    reportCompressedSize: false,
    rolldownOptions: {
      input: { index: "index.html", frame: "mermaid-frame.html", docs: "api-docs.html" },
      // A chunk of its own for what changes with updates only: else each change of the page renames all that import it.
      output: { codeSplitting: { groups: [{ name: "react", test: /node_modules\/(react|react-dom|scheduler)\// }] } },
    },
  },
})
