/** The API's description with a form for each request. It is sent with the page's session, if there is one. */
import "swagger-ui-dist/swagger-ui.css"
import "./apidocs.css"
import SwaggerUIBundle from "swagger-ui-dist/swagger-ui-es-bundle.js"
import { PAGE_HEADER } from "../api/session.ts"

SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  validatorUrl: null, // a host that is not ours
  requestInterceptor: (request) => {
    Object.assign(request.headers, PAGE_HEADER)
    return request
  },
})
