// SPDX-License-Identifier: Apache-2.0

// Package v20170312 lets flannel's tencent-vpc backend compile; every call
// fails, see package common beside it.
package v20170312

import "errors"

var errAbsent = errors.New("the tencent-vpc backend is not part of this build")

type Filter struct {
	Name   *string
	Values []*string
}

type Route struct {
	DestinationCidrBlock, GatewayType, GatewayId, RouteType *string

	RouteId *uint64
	Enabled *bool
}

type RouteTable struct {
	RouteTableId *string
	RouteSet     []*Route
}

type DescribeRouteTablesRequest struct{ Filters []*Filter }

type routesRequest struct {
	RouteTableId *string
	Routes       []*Route
}

type (
	DeleteRoutesRequest routesRequest
	CreateRoutesRequest routesRequest
)

type DescribeRouteTablesResponse struct {
	Response struct{ RouteTableSet []*RouteTable }
}

type Client struct{}

func NewClientWithSecretId(id, key, region string) (*Client, error) { return nil, errAbsent }

func NewDescribeRouteTablesRequest() *DescribeRouteTablesRequest {
	return &DescribeRouteTablesRequest{}
}
func NewDeleteRoutesRequest() *DeleteRoutesRequest { return &DeleteRoutesRequest{} }
func NewCreateRoutesRequest() *CreateRoutesRequest { return &CreateRoutesRequest{} }

func (c *Client) DescribeRouteTables(*DescribeRouteTablesRequest) (*DescribeRouteTablesResponse, error) {
	return nil, errAbsent
}
func (c *Client) DeleteRoutes(*DeleteRoutesRequest) (any, error) { return nil, errAbsent }
func (c *Client) CreateRoutes(*CreateRoutesRequest) (any, error) { return nil, errAbsent }
