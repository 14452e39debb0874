import { catalogue } from "../i18n/catalogue.ts"

export const app = catalogue(
  {
    signIn: { title: "Sign in", email: "Email", password: "Password", submit: "Sign in", failed: "That did not work" },
  },
  {
    signIn: {
      title: "Anmelden",
      email: "E-Mail",
      password: "Passwort",
      submit: "Anmelden",
      failed: "Das hat nicht funktioniert",
    },
  },
)
