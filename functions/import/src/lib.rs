//! The import function: CSV files on S3 into history and journeys.
