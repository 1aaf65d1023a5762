//! The store: claims, applications, journeys, imports and operators in DynamoDB.
