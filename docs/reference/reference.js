// The document is in the parent folder, on the local stack and on any host of static files.
Redoc.init(
  "../openapi.json",
  {
    expandResponses: "200,201",
    jsonSamplesExpandLevel: 3,
    sortRequiredPropsFirst: true,
    theme: {
      typography: {
        fontFamily: "system-ui, sans-serif",
        headings: { fontFamily: "system-ui, sans-serif" },
        code: { fontFamily: "ui-monospace, monospace" },
      },
    },
  },
  document.getElementById("reference"),
);
